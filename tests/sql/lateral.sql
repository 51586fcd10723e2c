.load ./actkin
-- A table of prompts, each with its neighbors.
CREATE TEMP TABLE prompts AS SELECT text FROM string WHERE length = 6 ORDER BY string_id LIMIT 200;
SELECT count(*), count(DISTINCT p.text) FROM prompts AS p JOIN actkin_neighbors(p.text, 'ffwd', 1, 5) AS b WHERE b.k = 3;
-- Each is nearest to itself, at distance 0.
SELECT count(*), sum(b.distance = 0) FROM prompts AS p JOIN actkin_neighbors(p.text, 'ffwd', 1, 5) AS b WHERE b.rank = 1;
-- The order of the tables in the statement does not matter.
SELECT count(*) FROM actkin_neighbors AS b, prompts AS p WHERE b.prompt = p.text AND b.stream = 'ffwd' AND b.block = 1 AND b.t_i = 5 AND b.k = 2;
-- Arguments may come from several tables; one call's rows may ask the next.
CREATE TEMP TABLE sites AS SELECT stream, block, t_i FROM site WHERE t_i = 5 AND stream <> 'embedding';
SELECT s.stream, s.block, count(*) FROM prompts AS p, sites AS s, actkin_neighbors(p.text, s.stream, s.block, s.t_i) AS b WHERE b.k = 2 AND p.rowid <= 5 GROUP BY 1, 2;
SELECT count(*) FROM actkin_neighbors('abba c', 'proj', 0, 5) AS a JOIN actkin_neighbors(a.text, 'proj', 1, 5) AS b WHERE a.k = 4 AND b.k = 3;
-- LEFT JOIN keeps the prompts that have nothing in the band.
SELECT count(*), count(b.rank) FROM prompts AS p LEFT JOIN actkin_neighbors(p.text, 'ffwd', 1, 5) AS b ON b.distance < 0;
SELECT count(*), count(b.rank) FROM prompts AS p LEFT JOIN actkin_neighbors(p.text, 'ffwd', 1, 5) AS b ON b.rank <= 2;
-- Next tokens of the neighbors.
SELECT replace(t.text, char(10), '\n') AS token, sum(n.count) AS count
  FROM actkin_neighbors('abba c', 'ffwd', 1, 5) AS b JOIN next_token AS n USING (string_id) JOIN token AS t USING (token_id)
 WHERE b.k = 10 GROUP BY token ORDER BY count DESC, token_id;
-- The same prompt in two models.
ATTACH 'other.actkin/catalog.db' AS other;
SELECT a.rank, a.text = b.text OR a.rank > 1 FROM actkin_neighbors('abba c', 'ffwd', 1, 5) AS a JOIN actkin_neighbors('abba c', 'ffwd', 1, 5) AS b USING (rank) WHERE b.catalog = 'other' AND a.k = 3 AND b.k = 3;
SELECT sum(a.distance = b.distance) FROM actkin_neighbors('abba c', 'ffwd', 1, 5) AS a JOIN actkin_neighbors('abba c', 'ffwd', 1, 5) AS b USING (rank) WHERE b.catalog = 'other';
