.load ./actkin
.headers on
.mode list
-- strings chosen by a SELECT, or by a JSON array; ranks are theirs
SELECT rank, string_id, text FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = 'SELECT string_id FROM string WHERE occurrences > 2' LIMIT 4;
SELECT count(*) = (SELECT count(*) FROM string WHERE length = 6 AND occurrences > 2) AS every_one
  FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = 'SELECT string_id FROM string WHERE occurrences > 2';
SELECT group_concat(rank || ':' || text) = (SELECT group_concat(rank || ':' || text) FROM (
    SELECT row_number() OVER (ORDER BY b.rank) AS rank, b.text FROM actkin_neighbors('abba c', 'ffwd', 1, 5) AS b
      JOIN string AS s USING (string_id) WHERE s.occurrences > 2)) AS same
  FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = 'SELECT string_id FROM string WHERE occurrences > 2';
SELECT count(*) AS rows FROM actkin_neighbors('abba c', 'ffwd', 1, 5)
 WHERE among = (SELECT json_group_array(string_id) FROM (SELECT string_id FROM string WHERE length = 6 LIMIT 7));
-- before k; k may be more than there are
SELECT count(*) AS rows FROM actkin_neighbors('abba c', 'ffwd', 1, 5)
 WHERE k = 5 AND among = (SELECT json_group_array(string_id) FROM (SELECT string_id FROM string WHERE length = 6 LIMIT 7));
SELECT count(*) AS rows FROM actkin_neighbors('abba c', 'ffwd', 1, 5)
 WHERE k = 50 AND among = (SELECT json_group_array(string_id) FROM (SELECT string_id FROM string WHERE length = 6 LIMIT 7));
-- strings of other lengths, and ids of none, are no rows
SELECT count(*) AS rows FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = 'SELECT string_id FROM string WHERE length = 3';
SELECT count(*) AS rows FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = '[-1, 0, 99999999]';
SELECT count(*) AS rows FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = '[]';
-- the prompt's own string
SELECT rank, text <> 'abba c' AS another FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE exclude_self = 1 AND k = 2;
SELECT (SELECT text FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE exclude_self = 1 AND rank = 1) =
       (SELECT text FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE rank = 2) AS second;
SELECT count(*) - (SELECT count(*) FROM actkin_neighbors('abba c', 'ffwd', 1, 5)) AS fewer
  FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE exclude_self = 1;
-- a prompt that the corpus does not have, or of another length, has none
SELECT count(*) - (SELECT count(*) FROM actkin_neighbors('dddddd', 'ffwd', 1, 5)) AS fewer
  FROM actkin_neighbors('dddddd', 'ffwd', 1, 5) WHERE exclude_self = 1;
SELECT count(*) AS rows FROM actkin_neighbors('abba c', 'ffwd', 1, 5)
 WHERE exclude_self = 1 AND among = (SELECT json_array(string_id) FROM string WHERE text = 'abba c');
-- with all else
SELECT count(*) = (SELECT count(*) FROM actkin_neighbors('abba c', 'proj', 0, 5) AS b JOIN string AS s USING (string_id)
                    WHERE b.metric = 'cosine' AND b.low = 0 AND b.sort_order = 'farthest' AND s.occurrences = 1 AND b.text <> 'abba c') AS same
  FROM actkin_neighbors('abba c', 'proj', 0, 5)
 WHERE metric = 'cosine' AND low = 0 AND sort_order = 'farthest' AND exclude_self = 1
   AND among = 'SELECT string_id FROM string WHERE occurrences = 1';
SELECT count(*) AS rows FROM actkin_neighbors('bad', 'embedding') WHERE among = 'SELECT string_id FROM string WHERE text GLOB ''b*''' AND exclude_self = 1 AND k = 2;
-- a view may ask; its SELECT may read the catalog alone
CREATE TEMP TABLE mine AS SELECT string_id FROM string LIMIT 3;
CREATE TEMP VIEW often AS SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = 'SELECT string_id FROM string WHERE occurrences > 2';
SELECT count(*) > 0 AS some FROM often;
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = 'SELECT string_id FROM mine';
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = 'SELECT writefile(''written'', ''x'')';
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = 'DELETE FROM string RETURNING string_id';
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = 'ATTACH ''x.db'' AS x';
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = 'SELECT string_id, text FROM string';
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = 'SELECT text FROM string';
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = 'SELECT string_id FROM string;SELECT 1';
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = 'SELECT NULL';
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = 'SELECT ?1';
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = '';
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = NULL;
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = '[1, "two"]';
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among = '[1';
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE among LIKE 'SELECT%';
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE exclude_self = 2;
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE exclude_self > 0;
SELECT * FROM actkin_neighbors_of(zeroblob(8), 'ffwd', 1, 5) WHERE exclude_self = 1;
SELECT count(*) > 100 AS whole FROM string;
