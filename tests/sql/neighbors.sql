.load ./actkin
.headers on
.mode list
-- call syntax, and WHERE on the same hidden columns
SELECT rank, string_id, text, round(distance, 3) AS distance FROM actkin_neighbors('abba c', 'proj', 1, 5) LIMIT 4;
SELECT rank, string_id, text, round(distance, 3) AS distance FROM actkin_neighbors
 WHERE prompt = 'abba c' AND stream = 'proj' AND block = 1 AND t_i = 5 AND k = 4;
-- what is left out is as in the command: the last block and the longest strings of ffwd
SELECT group_concat(text) = (SELECT group_concat(text) FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE k = 7 AND metric = 'l2'
                             AND sort_order = 'nearest' AND index_name = 'exact' AND params = '' AND catalog = 'main') AS same
  FROM actkin_neighbors('abba c') WHERE k = 7;
-- arguments that are fixed are columns, in the types that they have
SELECT DISTINCT prompt, stream, block, t_i, k, metric, low, high FROM actkin_neighbors
 WHERE prompt = 'abba c' AND stream = 'proj' AND block = '1' AND t_i = 5.0 AND k = 3 AND metric = 'l2' AND low = 0 AND high = '9.5';
-- a negative t_i counts from the end; the prompt need not be as long as the strings
SELECT rank, text, t_i FROM actkin_neighbors('abba', 'ffwd', 0, -4) WHERE k = 2;
-- metrics and orders
SELECT rank, text, round(distance, 3) AS distance, round(similarity, 3) AS similarity FROM actkin_neighbors('abba c', 'ffwd', 1, 5)
 WHERE metric = 'cosine' ORDER BY distance LIMIT 3;
SELECT rank, text, round(distance, 3) AS distance FROM actkin_neighbors('abba c', 'ffwd', 1, 5)
 WHERE sort_order = 'farthest' AND k = 3;
-- embedding: all of the prompt's positions
SELECT rank, text, round(distance, 3) AS distance FROM actkin_neighbors('bad', 'embedding') LIMIT 3;
-- a prompt that is not in the corpus
SELECT count(*) FROM string WHERE text = 'dddddd';
SELECT rank, text, round(distance, 3) AS distance FROM actkin_neighbors('dddddd', 'ffwd', 1, 5) LIMIT 3;
-- numbers may come as text or real, as from a table of another program
SELECT rank, text FROM actkin_neighbors('abba c', 'proj', '1', 5.0) LIMIT 1;
-- a vector of one's own: a string's own vector finds the string
SELECT rank, text, round(distance, 3) AS distance
  FROM actkin_neighbors_of((SELECT actkin_vector(string_id, 'ffwd', 0) FROM string WHERE text = 'abba c'), 'ffwd', 0, 5)
 LIMIT 2;
SELECT rank, text, round(distance, 3) AS distance
  FROM actkin_neighbors_of((SELECT actkin_vector(string_id, 'embedding', 0) FROM string WHERE text = 'bad'), 'embedding')
 LIMIT 2;
