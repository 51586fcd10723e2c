-- Rows that are not too long, and what rows are like.
.load ./actkin
.headers on
.mode list
-- the longest row alone is left out; ranks are those of the others
SELECT count(*) AS rows, max(rank) AS last FROM actkin_neighbors('abba c', 'ffwd', 1, 5)
 WHERE max_length = (SELECT longest - 0.0001 FROM site JOIN site_statistics USING (site_id)
                      WHERE stream = 'ffwd' AND block = 1 AND t_i = 5);
SELECT count(*) AS rows FROM actkin_neighbors('abba c', 'ffwd', 1, 5);
SELECT count(*) AS half FROM actkin_neighbors('abba c', 'ffwd', 1, 5) AS b
 WHERE b.max_length = (SELECT median_length FROM site JOIN site_statistics USING (site_id)
                        WHERE stream = 'ffwd' AND block = 1 AND t_i = 5);
-- it is the row's own, whatever the metric
SELECT (SELECT json_group_array(string_id) FROM (SELECT string_id FROM actkin_neighbors('abba c', 'proj', 0, 5)
          WHERE max_length = 3.0 AND metric = 'cosine' AND center = 1 ORDER BY string_id)) =
       (SELECT json_group_array(string_id) FROM (SELECT string_id FROM actkin_neighbors('abba c', 'proj', 0, 5) AS b
          WHERE actkin_distance(actkin_vector(string_id, 'proj', 0), zeroblob(48), 'l2') <= 3.0 ORDER BY string_id)) AS same;
-- with k, other filters, and of a vector
SELECT count(*) AS rows FROM actkin_neighbors('abba c', 'ffwd', 1, 5)
 WHERE max_length = 0 AND k = 3;
SELECT count(*) AS rows FROM actkin_neighbors_of(actkin_vector(571, 'ffwd', 1), 'ffwd', 1, 5)
 WHERE max_length = 1e9 AND among = '[458, 571]';
SELECT count(*) AS tokens FROM actkin_predict('abba c', 'last_ffwd_only', 5) WHERE max_length = 0;
SELECT count(*) > 0 AS tokens FROM actkin_predict('abba c', 'last_ffwd_only', 5) WHERE max_length = 1e9;
-- what is no length
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE max_length = -1;
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE max_length = NULL;
SELECT * FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE max_length < 2;
-- of every site
SELECT count(*) = (SELECT count(*) FROM site) AS all_sites, min(longest >= median_length) AS longest_last,
       min(abs(centered_cosine) <= 1) AS cosines, max(long_share) AS long_share FROM site_statistics;
SELECT pairs, count(DISTINCT quantile) AS quantiles FROM site_distance GROUP BY pairs;
