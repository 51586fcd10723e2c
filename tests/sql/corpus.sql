.load ./actkin
ATTACH 'pieces.actkin/catalog.db' AS pieces;
-- what the tables of strings count, by suffixes, for every string
SELECT count(*), sum(map.count = n.count AND map.probability = n.probability AND map.token = n.token)
  FROM string AS s JOIN next_token_map AS map USING (string_id) JOIN actkin_next_tokens(s.tokens) AS n USING (token_id);
SELECT count(*) = (SELECT count(*) FROM next_token) FROM string AS s JOIN actkin_next_tokens(s.tokens);
SELECT count(*) = sum(occurrences = actkin_occurrences(tokens)), count(*) = sum(occurrences = actkin_occurrences(text)) FROM string;
SELECT count(*), count(*) = sum(map.count = n.count) FROM pieces.string AS s JOIN pieces.next_token AS map USING (string_id)
  JOIN actkin_next_tokens AS n ON n.prefix = s.tokens AND n.catalog = 'pieces' AND n.token_id = map.token_id;
SELECT count(*) = sum(occurrences = actkin_occurrences(tokens, 'pieces')) FROM pieces.string;
-- prefixes of any length
SELECT sum(count), sum(count) = (SELECT token_count FROM corpus), round(sum(probability), 9) FROM actkin_next_tokens('');
SELECT actkin_occurrences('') - token_count, actkin_occurrences(x'') - token_count FROM corpus;
SELECT token, count, probability FROM actkin_next_tokens(actkin_context(0, 0, 299));
SELECT text FROM actkin_tokens WHERE position = 300;
SELECT actkin_occurrences(actkin_context(0, 0, token_count)), (SELECT count(*) FROM actkin_next_tokens(actkin_context(0, 0, token_count))) FROM corpus;
SELECT token, token_id, count FROM actkin_next_tokens('') ORDER BY count DESC, token_id;
SELECT token, round(probability, 3) FROM actkin_next_tokens('a') ORDER BY probability DESC LIMIT 2;
SELECT group_concat(token_id) FROM (SELECT token_id FROM actkin_next_tokens('') ORDER BY token_id);
SELECT group_concat(token_id) FROM (SELECT token_id FROM actkin_next_tokens('') ORDER BY count);
SELECT count(*) FROM actkin_next_tokens('abbaabbaabbaabbaabba');
SELECT count(*) FROM actkin_next_tokens(NULL);
SELECT prefix, count(*) FROM actkin_next_tokens WHERE prefix IN ('a', 'ab', 'abbaabbaabba') GROUP BY prefix;
SELECT typeof(actkin_occurrences(NULL));
-- the corpus, a row a token
CREATE TEMP TABLE whole AS SELECT * FROM actkin_tokens;
SELECT count(*) = token_count, min(position), max(position) = token_count - 1, sum(next_token_id IS NULL), max(document_id) FROM whole, corpus;
SELECT count(*) = sum(a.next_token_id = b.token_id) FROM whole AS a JOIN whole AS b ON b.position = a.position + 1;
SELECT group_concat(text, '') = actkin_context(0, 0, 1000000) FROM (SELECT text FROM actkin_tokens ORDER BY position);
SELECT count(*) = sum(w.text = token.text) FROM whole AS w JOIN token USING (token_id);
SELECT count(*), sum(a.token_id = w.token_id AND a.text = w.text AND a.next_token_id IS w.next_token_id)
  FROM whole AS w JOIN actkin_tokens AS a ON a.position = w.position;
SELECT group_concat(position) FROM actkin_tokens WHERE position BETWEEN 7 AND 11;
SELECT group_concat(position) FROM actkin_tokens WHERE position > 6.5 AND position < 11.5;
SELECT group_concat(position) FROM actkin_tokens WHERE position >= 6.5 AND position <= 11.5;
SELECT group_concat(position) FROM actkin_tokens WHERE position IN (3, 895, 12, -1, 5.5, NULL, 'a', x'03', 99999);
SELECT group_concat(position) FROM actkin_tokens WHERE position = 3 OR position < 2 OR position = 3.0 OR position = '5';
SELECT count(*) FROM actkin_tokens WHERE position = 5.5 OR position < -1e300 OR position > 9e999 OR position = NULL OR position > 1e15;
SELECT count(*) = token_count FROM actkin_tokens, corpus WHERE position < 9e999 AND position > -9e999 AND document_id = 0;
SELECT count(*) FROM actkin_tokens WHERE document_id > 0 OR document_id < 0 OR document_id = 0.5;
SELECT group_concat(position) FROM (SELECT position FROM actkin_tokens WHERE position > 10 AND position > 12 AND position <= 15 AND position < 99 ORDER BY position DESC);
SELECT position FROM actkin_tokens ORDER BY document_id, position LIMIT 2;
SELECT count(*), count(DISTINCT rowid) FROM actkin_tokens WHERE position < 100;
SELECT token_count - 1 = max(t.position), count(*) = token_count FROM actkin_tokens AS t JOIN pieces.corpus WHERE t.catalog = 'pieces';
SELECT text, token_id, next_token_id, catalog FROM actkin_tokens WHERE catalog = 'pieces' AND position < 3;
-- around a position
SELECT actkin_context(20, 5, 3) = actkin_context(16, 1, 7), actkin_context(2, 99, 0) = actkin_context(0, 0, 2), length(actkin_context(20, 5, 3));
SELECT actkin_context(5, 0, 0) = text FROM actkin_tokens WHERE position = 5;
SELECT typeof(actkin_context(NULL, 1, 1)), actkin_context(0, 0, 9223372036854775807) = actkin_context(0, 9223372036854775807, 9223372036854775807);
SELECT actkin_context(1, 1, 1, 'pieces'), actkin_context(1, 1, 0, 'pieces');
-- what cannot be answered
SELECT * FROM actkin_next_tokens;
SELECT * FROM actkin_next_tokens('xyz');
SELECT * FROM actkin_next_tokens(7);
SELECT * FROM actkin_next_tokens(x'07');
SELECT *, catalog FROM actkin_tokens;
SELECT * FROM actkin_tokens WHERE catalog = 'elsewhere';
SELECT actkin_context(904, 1, 1);
SELECT actkin_context(-1, 1, 1);
SELECT actkin_context(1, -1, 1);
SELECT actkin_context(1, 1, NULL);
SELECT actkin_context('one', 1, 1);
SELECT actkin_occurrences(7);
SELECT actkin_occurrences(x'010203', 'pieces');
