.load ./actkin
.headers on
SELECT rank, replace(token, char(10), '\n') AS token, round(probability, 4) AS probability FROM actkin_predict('abba c', 'progressive_ffwd_weight', 5);
-- what is left out: the scheme, the longest strings built, ten neighbors
SELECT count(*), round(sum(probability), 6), group_concat(token) = (SELECT group_concat(token) FROM actkin_predict('abba c', 'progressive_ffwd_weight', 5) WHERE k = 10 AND metric = 'l2' AND merge = 'nearest' AND catalog = 'main') AS same FROM actkin_predict('abba c');
SELECT max(scheme), max(t_i), max(k), count(*) = sum(t.text = p.token) AS tokens FROM actkin_predict('abba c', 'inverse_distance', '2,5') AS p JOIN token AS t USING (token_id) WHERE k = 3;
SELECT replace(token, char(10), '\n') AS token FROM actkin_predict WHERE prompt = 'abba c' AND scheme = 'last_ffwd_only' AND k = 3 ORDER BY rank LIMIT 2;
-- several positions, merged
SELECT rank, round(probability, 4) AS probability FROM actkin_predict('abba c', 'inverse_distance', '2,5') WHERE metric = 'cosine' AND merge = 'farthest' LIMIT 3;
SELECT count(*) FROM (SELECT token, probability FROM actkin_predict('abba c', 'last_ffwd_only', '-1') EXCEPT SELECT token, probability FROM actkin_predict('abba c', 'last_ffwd_only', 5));
-- a prompt without a next token has no row
SELECT count(*) FROM actkin_predict('dddddd', 'prompt_only');
SELECT token, probability FROM actkin_predict('abba c', 'prompt_only', 5) ORDER BY probability DESC LIMIT 1;
-- beside the model's own prediction
SELECT replace(m.token, char(10), '\n') AS token, round(m.probability, 3) AS model, round(ifnull(s.probability, 0), 3) AS simulated
  FROM actkin_model('abba c') AS m LEFT JOIN actkin_predict('abba c', 'progressive_ffwd_weight', 5) AS s USING (token) ORDER BY m.rank LIMIT 3;
-- a table of prompts
CREATE TEMP TABLE prompts AS SELECT text FROM string WHERE length = 6 ORDER BY occurrences DESC LIMIT 5;
SELECT count(*), count(DISTINCT prompts.text) FROM prompts JOIN actkin_predict(prompts.text, 'last_ffwd_only', 5) AS p WHERE p.rank = 1;
SELECT * FROM actkin_predict;
SELECT * FROM actkin_predict(NULL);
SELECT * FROM actkin_predict('xyz');
SELECT * FROM actkin_predict('abba c', 'mine');
SELECT * FROM actkin_predict('abba c', 7);
SELECT * FROM actkin_predict('abba c', 'last_ffwd_only', 3);
SELECT * FROM actkin_predict('abba c', 'last_ffwd_only', '2;5');
SELECT * FROM actkin_predict('abba c', 'last_ffwd_only', 1.5);
SELECT * FROM actkin_predict('abba c', 'last_ffwd_only', 5, 0);
SELECT * FROM actkin_predict('abba c', 'last_ffwd_only', 5, 1000000);
SELECT * FROM actkin_predict('abba c', 'last_ffwd_only', 5, 10, 'euclid');
SELECT * FROM actkin_predict('abba c', 'last_ffwd_only', 5, 10, 'l2', 'largest');
