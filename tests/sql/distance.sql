.load ./actkin
-- Comparisons of distance are filters of the ranking, wherever they are checked; low and high choose the band that the k
-- rows are taken from.
CREATE TEMP TABLE every AS SELECT rank, string_id, distance FROM actkin_neighbors('abba c', 'proj', 1, 5) LIMIT -1;
CREATE TEMP TABLE edge AS SELECT rank, distance AS d FROM every WHERE rank IN (4, 9);
CREATE TEMP VIEW low AS SELECT d FROM edge WHERE rank = 4;
CREATE TEMP VIEW high AS SELECT d FROM edge WHERE rank = 9;

CREATE TEMP VIEW between_them AS SELECT count(*) AS n FROM every WHERE distance BETWEEN (SELECT d FROM low) AND (SELECT d FROM high);
CREATE TEMP VIEW inside_them AS SELECT count(*) AS n FROM every WHERE distance > (SELECT d FROM low) AND distance < (SELECT d FROM high);
SELECT n > 2, n < 9 FROM inside_them;
SELECT '>= and <=', count(*) = (SELECT n FROM between_them) FROM (SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance >= (SELECT d FROM low) AND distance <= (SELECT d FROM high) LIMIT 100);
SELECT 'BETWEEN', count(*) = (SELECT n FROM between_them) FROM (SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance BETWEEN (SELECT d FROM low) AND (SELECT d FROM high) LIMIT 100);
SELECT '> and <', count(*) = (SELECT n FROM inside_them) FROM (SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance > (SELECT d FROM low) AND distance < (SELECT d FROM high) LIMIT 100);
SELECT 'low and high', count(*) = (SELECT n FROM between_them) FROM (SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE low = (SELECT d FROM low) AND high = (SELECT d FROM high) LIMIT 100);
SELECT 'low alone', min(distance) = (SELECT d FROM low), count(*) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE low = (SELECT d FROM low);
SELECT 'both ways, the narrower holds', count(*) = (SELECT n FROM inside_them) FROM (SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE low = 0 AND high = (SELECT d FROM high) AND distance > (SELECT d FROM low) AND distance < (SELECT d FROM high) LIMIT 100);
SELECT '=', count(*) > 0, min(rank), min(distance) = (SELECT d FROM low) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance = (SELECT d FROM low);
SELECT 'of the k rows', count(*), min(distance) > 0 FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance > 0 AND k = 3;
SELECT 'k rows of the band', count(*), min(distance) > 0 FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE low = 1e-9 AND k = 3;
SELECT 'of all rows', count(*) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance > 0;
SELECT 'nothing in the band', count(*) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance < 0;
SELECT 'contradiction', count(*) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance > 2 AND distance < 1;
SELECT 'NULL compares with nothing', count(*) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance > NULL;
SELECT 'a text is larger than any number', count(*) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance < 'far';
SELECT 'and never smaller', count(*) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance > 'far';
SELECT 'a BLOB too', count(*) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance <= x'00';
SELECT 'numbers in text', count(*) = (SELECT count(*) FROM every WHERE distance < 0.5) FROM (SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance < '0.5' LIMIT -1);
SELECT 'infinity', count(*) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance < 9e999 AND distance > -9e999;
SELECT 'IN', count(*) FROM (SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance IN (SELECT d FROM edge)) HAVING count(*) >= 2;
SELECT 'a comparison that SQLite keeps', count(*) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE distance + 0 > 0;
SELECT 'of two calls', count(*) = sum(a.distance < b.distance) FROM actkin_neighbors('abba c', 'proj', 1, 5) AS a JOIN actkin_neighbors('cab cc', 'proj', 0, 5) AS b ON a.distance < b.distance;
-- of farthest rows, of cosine, whose distances are 1 - similarity, and of dot, whose distances are -similarity
CREATE TEMP TABLE kinds(metric, sort_order);
INSERT INTO kinds VALUES ('l2', 'farthest'), ('cosine', 'nearest'), ('cosine', 'farthest'), ('dot', 'nearest'), ('dot', 'farthest');
CREATE TEMP TABLE ranked AS SELECT b.* , k.metric, k.sort_order FROM kinds AS k CROSS JOIN actkin_neighbors('abba c', 'proj', 1, 5) AS b WHERE b.metric = k.metric AND b.sort_order = k.sort_order;
SELECT 'pushed and filtered agree', k.metric, k.sort_order, e.rank,
       (SELECT count(*) || ' ' || sum(rank) FROM actkin_neighbors('abba c', 'proj', 1, 5) AS b WHERE b.metric = k.metric AND b.sort_order = k.sort_order AND distance <= e.distance)
         = (SELECT count(*) || ' ' || sum(rank) FROM ranked AS r WHERE r.metric = k.metric AND r.sort_order = k.sort_order AND distance <= e.distance),
       (SELECT count(*) || ' ' || sum(rank) FROM actkin_neighbors('abba c', 'proj', 1, 5) AS b WHERE b.metric = k.metric AND b.sort_order = k.sort_order AND distance > e.distance)
         IS (SELECT count(*) || ' ' || sum(rank) FROM ranked AS r WHERE r.metric = k.metric AND r.sort_order = k.sort_order AND distance > e.distance)
  FROM kinds AS k JOIN ranked AS e USING (metric, sort_order) WHERE e.rank IN (1, 63, 64, 65, 200, 288);
-- dot is the inner product; centered cosine has a mean of its own, and takes 0 and 1
SELECT 'dot', count(*), max(abs(n.distance - actkin_distance(actkin_vector(n.string_id, 'proj', 1), a.v, 'dot'))) < 1e-9, max(abs(n.distance + n.similarity)) = 0
  FROM (SELECT actkin_vector(string_id, 'proj', 1) AS v FROM string WHERE text = 'abba c') AS a, actkin_neighbors('abba c', 'proj', 1, 5) AS n WHERE n.metric = 'dot';
SELECT 'centered', count(*), max(similarity) = 1, min(distance) = 0, sum(similarity < 0) > 0 FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE metric = 'cosine' AND center = 1;
SELECT 'not centered', count(*), sum(center) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE metric = 'cosine' AND center = 0;
SELECT count(*) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE metric = 'l2' AND center = 1;
SELECT count(*) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE metric = 'cosine' AND center = 2;
SELECT actkin_distance(x'00000000', x'00000000', 'centered-cosine');
SELECT 'rows', count(*) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE params = 'rows=64' AND k = 20;
SELECT count(*) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE params = 'rows=64';
