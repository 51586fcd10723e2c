.load ./actkin
.headers on
.mode list
.open positions.actkin/catalog.db
.load ./actkin
-- rows are of positions where only those are built of the stream and block, else of strings
SELECT count(*) = (SELECT token_count FROM corpus) AS all_positions, count(position), count(document_id), count(string_id)
  FROM actkin_neighbors('abba', 'ffwd', 1);
SELECT count(position), count(string_id) > 0 AS strings FROM actkin_neighbors('abba', 'proj', 1);
SELECT count(position) > 0 AS positions, count(string_id) FROM actkin_neighbors('abba', 'proj', 1) WHERE t_i IS NULL;
SELECT count(position) > 0 AS positions, count(string_id) FROM actkin_neighbors('abba', 'proj', 1) WHERE rows = 'positions';
SELECT count(position) > 0 AS positions, count(string_id) FROM actkin_neighbors('abba', 'proj', 1, NULL);
SELECT s.rows, count(b.position) > 0 AS positions, count(b.string_id) > 0 AS strings
  FROM site AS s JOIN actkin_neighbors AS b ON b.stream = s.stream AND b.block = s.block AND b.t_i IS s.t_i
 WHERE b.prompt = 'abba' AND s.block = 1 AND s.stream = 'proj' GROUP BY s.rows;
-- what an argument that is not fixed has
SELECT DISTINCT t_i, rows FROM actkin_neighbors('abba', 'proj', 1) WHERE t_i IS NULL AND rows = 'positions' AND k = 3;
SELECT t_i FROM actkin_neighbors('abba', 'ffwd', 1) LIMIT 1;
SELECT rows FROM actkin_neighbors('abba', 'ffwd', 1) LIMIT 1;
SELECT rank FROM actkin_neighbors('abba', 'proj', 1, 3) WHERE rows = 'positions';
SELECT rank FROM actkin_neighbors('abba', 'proj', 1, NULL) WHERE rows = 'strings';
-- the beginning of the corpus is seen there as it is alone
SELECT b.position, round(b.distance, 3) AS distance, b.text, t.next_token_id IS NOT NULL AS goes_on
  FROM actkin_neighbors((SELECT actkin_context(3, 9, 0)), 'ffwd', 1) AS b JOIN actkin_tokens AS t USING (position) WHERE b.rank = 1;
-- a position is asked by its vector, and left out with what stands around it
SELECT position, distance FROM actkin_neighbors_of(actkin_vector_at(100, 'ffwd', 1), 'ffwd', 1) WHERE rank = 1;
SELECT count(*) - (SELECT token_count FROM corpus) AS fewer, sum(position = 100) AS itself
  FROM actkin_neighbors_of(actkin_vector_at(100, 'ffwd', 1), 'ffwd', 1) WHERE exclude_position = 100;
SELECT count(*) - (SELECT token_count FROM corpus) AS fewer, min(abs(position - 100)) AS nearest
  FROM actkin_neighbors_of(actkin_vector_at(100, 'ffwd', 1), 'ffwd', 1) WHERE exclude_position = 100 AND exclude_window = 4;
SELECT (SELECT token_count FROM corpus) - count(*) = actkin_occurrences('abba') AS without_its_places
  FROM actkin_neighbors('abba', 'ffwd', 1) WHERE exclude_self = 1;
-- the best of each
SELECT count(*) AS tokens, count(DISTINCT text) AS texts FROM actkin_neighbors('abba', 'ffwd', 1) WHERE "distinct" = 'text';
SELECT sum(a.position = b.position) = count(*) AS same FROM actkin_neighbors('abba', 'ffwd', 1) AS a
  JOIN (SELECT position, min(rank), text FROM actkin_neighbors('abba', 'ffwd', 1) GROUP BY text) AS b USING (text)
 WHERE a."distinct" = 'token';
SELECT count(*) FROM actkin_neighbors('abba', 'ffwd', 1) WHERE "distinct" = 'document';
SELECT count(*) FROM actkin_neighbors('abba', 'proj', 1, 3) WHERE "distinct" = 'document';
-- rows chosen by a SELECT, by conditions, by both
SELECT count(*) = (SELECT count(*) FROM actkin_tokens WHERE text = 'b') AS same
  FROM actkin_neighbors('abba', 'ffwd', 1) WHERE among = 'SELECT position FROM actkin_tokens WHERE text = ''b''';
SELECT count(*) = (SELECT count(*) FROM actkin_tokens WHERE text = 'b') AS same FROM actkin_neighbors('abba', 'ffwd', 1) WHERE text = 'b';
SELECT count(*) = (SELECT count(*) FROM actkin_tokens WHERE text IN ('a', 'c')) AS same FROM actkin_neighbors('abba', 'ffwd', 1) WHERE text IN ('a', 'c');
SELECT count(*) = (SELECT count(*) FROM actkin_tokens WHERE text GLOB 'b*') AS same FROM actkin_neighbors('abba', 'ffwd', 1) WHERE text GLOB 'b*';
SELECT group_concat(position) FROM (SELECT position FROM actkin_neighbors('abba', 'ffwd', 1) WHERE position BETWEEN 10 AND 13 ORDER BY position);
SELECT count(*) FROM actkin_neighbors('abba', 'ffwd', 1) WHERE document_id = 0 AND position < 20;
SELECT count(*) FROM actkin_neighbors('abba', 'ffwd', 1) WHERE string_id > 0;
SELECT count(*) = (SELECT token_count FROM corpus) AS all_positions FROM actkin_neighbors('abba', 'ffwd', 1) WHERE string_id IS NULL;
SELECT count(*) FROM actkin_neighbors('abba', 'proj', 1, 3) WHERE position = 3;
SELECT count(*) = (SELECT count(*) FROM string WHERE length = 4 AND text GLOB 'ab*') AS same FROM actkin_neighbors('abba', 'proj', 1, 3) WHERE text GLOB 'ab*';
-- vectors of positions
SELECT length(actkin_vector_at(7, 'ffwd', 1)) = length(actkin_vector_at(7, 'ffwd', 0)) AS computed, actkin_vector_at(NULL, 'ffwd', 1) IS NULL AS none;
SELECT actkin_vector_at(100000, 'ffwd', 1);
-- what is wrong
SELECT rank FROM actkin_neighbors('abba', 'ffwd', 1) WHERE exclude_window = -1;
SELECT rank FROM actkin_neighbors('abba', 'proj', 1, 3) WHERE exclude_window = 2;
SELECT rank FROM actkin_neighbors_of(actkin_vector_at(7, 'ffwd', 1), 'ffwd', 1) WHERE exclude_window = 2;
SELECT rank FROM actkin_neighbors_of(actkin_vector_at(7, 'ffwd', 1), 'ffwd', 1) WHERE exclude_position = 100000;
SELECT rank FROM actkin_neighbors('abba', 'ffwd', 0) WHERE rows = 'positions';
SELECT rank FROM actkin_neighbors('abba', 'ffwd', 1) WHERE rows = 'tokens';
SELECT rank FROM actkin_neighbors('abba', 'ffwd', 1) WHERE "distinct" = 'row';
-- predictions by what came next
SELECT count(*) > 0 AS some, round(sum(probability), 6) AS total FROM actkin_predict('abba', 'last_ffwd_only') WHERE rows = 'positions';
SELECT count(*) > 0 AS some FROM actkin_predict('abba', 'last_ffwd_only', NULL) WHERE exclude_self = 0;
