.load ./actkin
ATTACH 'pieces.actkin/catalog.db' AS pieces;
-- ids are a prompt, and the column `tokens` is what actkin_ids makes of them: 1 byte an id here, 2 among 267 tokens
SELECT hex(actkin_ids('[0,1]')), hex(actkin_ids(' 0, 1 ', 'pieces')), typeof(actkin_ids(NULL));
SELECT text, hex(tokens) FROM string WHERE tokens = actkin_ids('2,3,3,2');
SELECT count(*), sum(a.string_id = b.string_id AND a.distance = b.distance)
  FROM string AS s JOIN actkin_neighbors(s.text, 'ffwd', 1, 5) AS a JOIN actkin_neighbors(s.tokens, 'ffwd', 1, 5) AS b
 WHERE s.string_id = 700 AND a.k = 9 AND b.k = 9 AND a.rank = b.rank;
SELECT count(*), sum(a.probability = b.probability AND a.token = b.token)
  FROM actkin_model('abba') AS a JOIN actkin_model(actkin_ids('2,3,3,2')) AS b USING (token_id);
-- every prompt of the set, by its text and by its ids
SELECT count(*), sum(a.string_id = b.string_id) FROM prompt AS p
  JOIN actkin_saved_neighbors('sample-20-seed-1337', 'ffwd', 1, 5) AS a JOIN actkin_saved_neighbors('sample-20-seed-1337', 'ffwd', 1, 5) AS b
 WHERE a.prompt = p.text AND b.prompt = p.tokens AND a.rank = b.rank;
-- two tokens, and two strings, of one text
SELECT token_id, text, hex(bytes) FROM pieces.token WHERE text = '\xe4';
SELECT count(*), count(DISTINCT text) FROM pieces.string WHERE length = 1 AND text = '\xe4';
SELECT count(*), sum(b.string_id = s.string_id) FROM pieces.string AS s
  JOIN actkin_neighbors(s.tokens, 'embedding') AS b WHERE b.catalog = 'pieces' AND s.text = '\xe4' AND s.length = 1 AND b.k = 1;
SELECT length, prefix, token, count, string_id, token_id FROM pieces.next_token_map WHERE prefix = 'abba' AND length = 1 ORDER BY token_id LIMIT 3;
-- half a character; rows of embeddings that no token has
SELECT text, hex(tokens) FROM pieces.string WHERE tokens = actkin_ids('[262]', 'pieces');
SELECT count(*), sum(token LIKE '<unused %>'), round(sum(probability), 4) FROM actkin_model('the abba', 'pieces');
SELECT sum(probability) > 0.999, count(*) > 1 FROM actkin_predict(actkin_ids('261,32,258', 'pieces')) WHERE catalog = 'pieces' AND scheme = 'prompt_only';
-- what is no prompt
SELECT rank FROM actkin_neighbors(actkin_ids('1,7'), 'ffwd', 1, 5);
SELECT rank FROM actkin_neighbors(x'0107', 'ffwd', 1, 5);
SELECT rank FROM actkin_neighbors(x'', 'ffwd', 1, 5);
SELECT rank FROM actkin_neighbors(x'010203', 'ffwd', 1, 3) WHERE catalog = 'pieces';
SELECT actkin_ids('[1,"a"]');
SELECT actkin_ids('');
SELECT actkin_ids(7, 8);
SELECT rows, window, stride, t_i IS NULL FROM site GROUP BY rows;
SELECT kind, file, bytes > 1000 FROM tokenizer UNION ALL SELECT kind, file, bytes > 1000 FROM pieces.tokenizer;
SELECT document_id, name, first_position, token_count = (SELECT token_count FROM corpus) FROM document;
