-- A statement's answer is what SQL defines over the functions' relations, however it is written and planned; else it is
-- an error that says what to write. Kinds of statements that users of other extensions write.
.load ./actkin
.mode list
CREATE TEMP TABLE asked(p TEXT);
INSERT INTO asked VALUES ('abba c'), ('bad ab');
CREATE TEMP TABLE bound(x REAL, n INTEGER);
INSERT INTO bound VALUES (0.9, 20);
CREATE TEMP VIEW near AS
  SELECT asked.p, b.prompt, b.rank, b.text FROM asked JOIN actkin_neighbors AS b ON b.prompt = asked.p WHERE b.k = 2;
CREATE TEMP VIEW site_of AS SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5);

.print An OR in a join: as many rows as with IN
SELECT 'view, IN', count(*) FROM near WHERE prompt IN ('abba c', 'bad ab');
SELECT 'view, OR', count(*) FROM near WHERE prompt = 'abba c' OR prompt = 'bad ab';
SELECT 'view, OR on the other table', count(*) FROM near WHERE p = 'abba c' OR p = 'bad ab';
WITH n AS (SELECT b.prompt, b.rank FROM asked JOIN actkin_neighbors AS b ON b.prompt = asked.p WHERE b.k = 2)
  SELECT 'CTE, OR', count(*) FROM n WHERE prompt = 'abba c' OR prompt = 'bad ab';
WITH n AS MATERIALIZED (SELECT b.prompt, b.rank FROM asked JOIN actkin_neighbors AS b ON b.prompt = asked.p WHERE b.k = 2)
  SELECT 'materialized CTE, OR', count(*) FROM n WHERE prompt = 'abba c' OR prompt = 'bad ab';
SELECT 'join, OR', count(*) FROM asked JOIN actkin_neighbors AS b ON b.prompt = asked.p
  WHERE (b.prompt = 'abba c' OR b.prompt = 'bad ab') AND b.k = 2;
SELECT 'comma, OR', count(*) FROM asked, actkin_neighbors AS b
  WHERE b.prompt = asked.p AND (b.prompt = 'abba c' OR b.prompt = 'bad ab') AND b.k = 2;
SELECT 'LEFT JOIN, OR', count(*) FROM asked LEFT JOIN actkin_neighbors AS b ON b.prompt = asked.p AND b.k = 2
  WHERE b.prompt = 'abba c' OR b.prompt = 'bad ab';
SELECT 'OR of ranks', count(*) FROM asked JOIN actkin_neighbors AS b ON b.prompt = asked.p WHERE b.rank = 1 OR b.rank = 3;
SELECT 'OR of rank and distance', count(*) = (SELECT count(*) FROM site_of WHERE NOT (rank <> 1 AND distance >= 0.5))
  FROM site_of WHERE rank = 1 OR distance < 0.5;
SELECT 'site, OR of blocks', count(*) FROM site AS s JOIN actkin_neighbors AS b ON b.block = s.block AND b.stream = s.stream
  WHERE b.prompt = 'abba c' AND b.k = 2 AND s.t_i = 5 AND s.stream <> 'embedding' AND (b.block = 0 OR b.block = 1);
SELECT 'model, OR', count(*) FROM asked JOIN actkin_model AS m ON m.prompt = asked.p
  WHERE (m.prompt = 'abba c' OR m.prompt = 'bad ab') AND m.rank = 1;
SELECT 'predict, OR', count(*) FROM asked JOIN actkin_predict AS m ON m.prompt = asked.p
  WHERE (m.prompt = 'abba c' OR m.prompt = 'bad ab') AND m.rank = 1;
SELECT 'saved, OR', count(*) FROM prompt AS p JOIN actkin_saved_neighbors AS n ON n.prompt = p.text
  WHERE n.prompt_set = 'sample-20-seed-1337' AND n.stream = 'ffwd' AND n.block = 1 AND n.t_i = 5
    AND (n.prompt = (SELECT text FROM prompt WHERE number = 3) OR n.prompt = (SELECT text FROM prompt WHERE number = 7));
SELECT 'k IN', count(*) FROM asked JOIN actkin_neighbors AS b ON b.prompt = asked.p WHERE b.k IN (1, 2);
SELECT 'k OR', count(*) FROM asked JOIN actkin_neighbors AS b ON b.prompt = asked.p WHERE b.k = 1 OR b.k = 2;
SELECT 'k OR, function argument', count(*) FROM asked JOIN actkin_neighbors(asked.p) AS b WHERE b.k = 1 OR b.k = 2;
SELECT 'OR of ranks, two calls', count(*) FROM asked JOIN actkin_neighbors AS b ON b.prompt = asked.p,
  asked AS other JOIN actkin_neighbors AS c ON c.prompt = other.p WHERE c.rank = b.rank AND (c.rank = 1 OR c.rank = 3);
SELECT 'k and prompt by OR', count(*) FROM asked JOIN actkin_neighbors AS b ON b.prompt = asked.p
  WHERE (asked.p = 'abba c' AND b.k = 1) OR (asked.p = 'bad ab' AND b.k = 2);

.print Ways to fix an argument
SELECT '=', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND t_i = 5 AND k = 2 AND stream = 'proj' AND block = 1;
SELECT 'IN', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND t_i = 5 AND k = 2 AND stream = 'proj' AND block IN (0, 1);
SELECT 'IS', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND t_i = 5 AND k = 2 AND stream = 'proj' AND block IS 1;
SELECT 'IS, all of them', count(*) FROM actkin_neighbors WHERE prompt IS 'abba c' AND t_i IS 5 AND k IS 2 AND stream IS 'proj' AND block IS 0;
SELECT 'IS NOT DISTINCT FROM', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND k = 2 AND stream IS NOT DISTINCT FROM 'proj';
SELECT 'a row value', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND k = 2 AND (stream, block) = ('proj', 1);
SELECT 'row values of a table', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND t_i = 5 AND k = 2
  AND (stream, block) IN (SELECT stream, block FROM site WHERE t_i = 5 AND block = 1 AND stream <> 'embedding');
SELECT 'another type', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND k = '2' AND block = '1' AND t_i = 5.0;
SELECT 'another type, OR', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND k = 2 AND (block = '1' OR block = 1);

.print What is no =: rows where SQLite hands it over, else an error, never none
SELECT 'row values', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND t_i = 5 AND k = 2
  AND (stream, block) IN (VALUES ('ffwd', 0), ('proj', 1));
SELECT 'row values of a UNION', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND t_i = 5 AND k = 2
  AND (stream, block) IN (SELECT 'ffwd', 0 UNION SELECT 'proj', 1);
SELECT 'branches', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND t_i = 5 AND k = 2
  AND ((stream = 'ffwd' AND block = 0) OR (stream = 'proj' AND block = 1));
SELECT 'branches with prompts', count(*) FROM actkin_neighbors
  WHERE (prompt = 'abba c' AND k = 1) OR (prompt = 'bad ab' AND k = 2);
SELECT '<', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND k = 2 AND block < 2;
SELECT 'BETWEEN', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND k = 2 AND block BETWEEN 0 AND 1;
SELECT '<>', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND k = 2 AND block <> 1;
SELECT 'LIKE', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND k = 2 AND stream LIKE 'pro%';
SELECT 'metric <>', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND k = 2 AND metric <> 'l2';
SELECT '+block', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND k = 2 AND stream = 'proj' AND +block = 0;
SELECT 'selected', stream FROM actkin_neighbors WHERE prompt = 'abba c' AND k = 2;
SELECT 'metric LIKE, filtered by similarity', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND similarity > 0.9 AND metric LIKE 'cos%';
SELECT 't_i <, filtered by string_id', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND string_id = 45 AND t_i < 3;
SELECT 'row values, filtered by distance', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND t_i = 5
  AND (stream, block) IN (VALUES ('proj', 0), ('embedding', 0)) AND distance > 5.1;
SELECT 'CROSS JOIN before its site, filtered by string_id', count(*) FROM actkin_neighbors('abba c') AS b
  CROSS JOIN site AS s ON b.stream = s.stream AND b.block = s.block AND b.t_i = s.t_i WHERE b.string_id = 45;
SELECT 'k of no =', count(*) FROM actkin_neighbors WHERE prompt = 'abba c' AND k <= 5;
SELECT 'no prompt', count(*) FROM actkin_neighbors WHERE prompt LIKE 'abba%';
SELECT 'MATCH', count(*) FROM actkin_neighbors WHERE prompt MATCH 'abba c' AND k = 5;

.print A comparison with distance is a filter after k
SELECT 'constant', count(*) FROM actkin_neighbors('abba c', 'ffwd', 1, 5) AS b WHERE b.distance > 0.9 AND b.k = 20;
SELECT 'the bound first', count(*) FROM bound CROSS JOIN actkin_neighbors('abba c', 'ffwd', 1, 5) AS b
  WHERE b.distance > bound.x AND b.k = 20;
SELECT 'the bound last', count(*) FROM actkin_neighbors('abba c', 'ffwd', 1, 5) AS b CROSS JOIN bound
  WHERE b.distance > bound.x AND b.k = 20;
WITH z AS (SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE k = 20) SELECT 'CTE', count(*) FROM z WHERE distance > 0.9;
WITH z AS MATERIALIZED (SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE k = 20)
  SELECT 'materialized CTE', count(*) FROM z WHERE distance > 0.9;
SELECT 'an expression', count(*) FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE distance + 0 > 0.9 AND k = 20;
SELECT 'NOT <=', count(*) FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE NOT distance <= 0.9 AND k = 20;
SELECT '<> 0', count(*) FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE distance <> 0 AND k = 5;
SELECT '> 0', count(*) FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE distance > 0 AND k = 5;
SELECT 'farthest, <', count(*) FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE distance < 3.8 AND k = 20 AND sort_order = 'farthest';
SELECT 'a band, before k', count(*), min(rank), min(distance) > 0.9 FROM actkin_neighbors('abba c', 'ffwd', 1, 5)
  WHERE low = 0.9 AND k = 20;
SELECT 'rank', count(*) FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE rank > 3 AND k = 5;
SELECT 'string_id IN', count(*) FROM actkin_neighbors('abba c', 'ffwd', 1, 5)
  WHERE k = 5 AND string_id IN (SELECT string_id FROM site_of WHERE rank IN (4, 5, 6));

.print As many rows as are asked for
SELECT 'LIMIT', count(*) FROM (SELECT 1 FROM site_of ORDER BY distance LIMIT 20);
SELECT 'metric given', count(*) FROM (SELECT 1 FROM actkin_neighbors('abba c') WHERE metric = 'l2' ORDER BY distance LIMIT 20);
.parameter set :metric l2
SELECT 'metric bound', count(*) FROM (SELECT 1 FROM actkin_neighbors('abba c') WHERE metric = :metric ORDER BY distance LIMIT 20);
SELECT 'JOIN', count(*) FROM (SELECT b.rank FROM site_of AS b JOIN string USING (string_id) ORDER BY b.distance LIMIT 20);
SELECT 'DISTINCT', count(*) FROM (SELECT DISTINCT text FROM site_of LIMIT 20);
SELECT 'a window', count(*), max(r) FROM (SELECT row_number() OVER () AS r FROM site_of LIMIT 20);
SELECT 'DESC', count(*), min(rank) FROM (SELECT rank FROM site_of ORDER BY distance DESC LIMIT 20);
SELECT 'OFFSET', count(*), min(rank), max(rank) FROM (SELECT rank FROM site_of ORDER BY rank LIMIT 20 OFFSET 30);
SELECT 'rank BETWEEN', count(*) FROM site_of WHERE rank BETWEEN 15 AND 20;
SELECT 'all', count(*), max(rank) FROM site_of;
SELECT 'distance <', count(*) = (SELECT count(*) FROM site_of WHERE distance + 0 < 1.3), count(*) > 20 FROM site_of WHERE distance < 1.3;
SELECT 'cosine', group_concat(rank) FROM (SELECT rank FROM actkin_neighbors('abba c') WHERE metric = 'cosine' ORDER BY distance LIMIT 3);
SELECT 'cosine DESC', group_concat(rank) FROM
  (SELECT rank FROM actkin_neighbors('abba c') WHERE metric = 'cosine' ORDER BY similarity DESC LIMIT 3);
SELECT 'farthest', group_concat(rank) FROM
  (SELECT rank FROM actkin_neighbors('abba c') WHERE sort_order = 'farthest' ORDER BY distance DESC LIMIT 3);
SELECT 'filtered by a join', count(*) FROM (SELECT b.rank FROM actkin_neighbors('abba c') AS b JOIN string AS s USING (string_id)
  WHERE s.occurrences = 1 ORDER BY b.distance LIMIT 20);
SELECT 'GROUP BY', count(*) FROM (SELECT substr(text, 1, 1), min(distance) FROM site_of GROUP BY 1)
  UNION ALL SELECT 'its letters', count(DISTINCT substr(text, 1, 1)) FROM string WHERE length = 6;
SELECT 'ranked again', group_concat(rank) FROM (SELECT rank FROM (SELECT rank, text FROM site_of ORDER BY rank LIMIT 8) ORDER BY rank DESC LIMIT 3);
SELECT 'of each prompt', asked.p, (SELECT count(*) FROM actkin_neighbors(asked.p) WHERE rank <= 25) FROM asked;
SELECT 'EXISTS', count(*) FROM asked WHERE EXISTS (SELECT 1 FROM actkin_neighbors(asked.p) WHERE rank = 25);
SELECT 'NOT EXISTS', count(*) FROM string WHERE length = 6
  AND NOT EXISTS (SELECT 1 FROM site_of WHERE site_of.string_id = string.string_id);
SELECT 'of NULL', count(*) FROM actkin_neighbors(NULL);
SELECT 'of a NULL in a table', count(*), count(rank)
  FROM (SELECT 'abba c' AS p UNION ALL SELECT NULL) AS t LEFT JOIN actkin_neighbors AS b ON b.prompt = t.p AND b.k = 3;
