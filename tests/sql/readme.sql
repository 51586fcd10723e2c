.load ./actkin
-- The five queries of query/sqlite/README.md, on the tests' index.
-- 1. Neighbors with their next tokens
SELECT b.rank, b.text, round(b.distance, 3) AS distance, json_group_object(t.text, n.count) FILTER (WHERE n.count > 0) AS next
  FROM actkin_neighbors('abba c', 'ffwd', 1, 5) AS b
  LEFT JOIN next_token AS n USING (string_id) LEFT JOIN token AS t USING (token_id)
 WHERE b.k = 5 GROUP BY b.rank;
-- 2. Tokens that follow a prompt's neighbors but never the prompt
SELECT t.text AS token, sum(n.count) AS count
  FROM actkin_neighbors('dä äca', 'ffwd', 1, 5) AS b JOIN next_token AS n USING (string_id) JOIN token AS t USING (token_id)
 WHERE b.k = 20
   AND NOT EXISTS (SELECT 1 FROM next_token_map AS own WHERE own.length = 6 AND own.prefix = 'dä äca' AND own.token = t.text)
 GROUP BY token_id ORDER BY count DESC, token_id;
-- 3. The prefixes with the most certain next token
SELECT prefix, token, count FROM next_token_map WHERE length = 4 AND probability = 1 ORDER BY count DESC, prefix LIMIT 5;
-- 4. The same prompt across all blocks
SELECT s.block, s.stream, group_concat(b.text, ' | ') AS nearest
  FROM site AS s JOIN actkin_neighbors('abba c', s.stream, s.block, s.t_i) AS b
 WHERE s.stream <> 'embedding' AND s.t_i = 5 AND b.rank BETWEEN 2 AND 4
 GROUP BY s.block, s.stream ORDER BY s.block, s.stream DESC;
-- 5. A table of prompts at once: does the nearest other string continue with the prompt's most frequent next token?
CREATE TEMP TABLE prompts AS SELECT string_id, text FROM string WHERE length = 6 ORDER BY random() LIMIT 100;
SELECT count(*) AS prompts,
       sum((SELECT token_id FROM next_token WHERE string_id = p.string_id ORDER BY count DESC, token_id LIMIT 1) =
           (SELECT token_id FROM next_token WHERE string_id = b.string_id ORDER BY count DESC, token_id LIMIT 1)) <= 100 AS agree
  FROM prompts AS p JOIN actkin_neighbors(p.text, 'ffwd', 1, 5) AS b
 WHERE b.k = 2 AND b.rank = 2;
