.load ./actkin
-- Where the rows come in the order that is asked for, nothing sorts.
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) ORDER BY rank;
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) ORDER BY rank, text;
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) ORDER BY distance;
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) ORDER BY distance, string_id;
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE metric = 'cosine' ORDER BY distance;
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE sort_order = 'farthest' ORDER BY distance DESC;
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE metric = 'cosine' AND sort_order = 'farthest' ORDER BY distance DESC;
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE metric = ?1 ORDER BY distance;
EXPLAIN QUERY PLAN SELECT * FROM actkin_model('abba c') ORDER BY probability DESC;
.print -- and where they do not, SQLite sorts
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) ORDER BY rank DESC;
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) ORDER BY distance DESC;
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE metric = 'cosine' ORDER BY distance DESC;
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE metric = 'cosine' ORDER BY distance, string_id;
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE sort_order = ?1 ORDER BY distance;
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) ORDER BY distance, text;
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors('abba c', 'proj', 1, 5) ORDER BY text;
EXPLAIN QUERY PLAN SELECT * FROM actkin_neighbors WHERE prompt IN ('abba c', 'bad') AND stream = 'proj' ORDER BY rank;
-- The rows are in order either way.
CREATE TEMP TABLE wish(metric, sort_order);
INSERT INTO wish VALUES ('l2', 'nearest'), ('l2', 'farthest'), ('cosine', 'nearest'), ('cosine', 'farthest');
SELECT metric, sort_order, group_concat(rank) FROM (SELECT w.*, b.rank FROM wish AS w, actkin_neighbors('abba c', 'proj', 1, 5) AS b WHERE b.metric = w.metric AND b.sort_order = w.sort_order AND k = 4 ORDER BY w.rowid, b.distance) GROUP BY 1, 2;
SELECT group_concat(rank) FROM (SELECT rank FROM actkin_neighbors('abba c', 'proj', 1, 5) ORDER BY distance, string_id LIMIT 12);
SELECT group_concat(rank) FROM (SELECT rank FROM actkin_neighbors('abba c', 'proj', 1, 5) ORDER BY distance DESC, string_id DESC LIMIT 12);
SELECT metric, count(*), sum(similarity IS NULL), sum(abs(1 - similarity - distance) < 1e-12) FROM actkin_neighbors('abba c', 'proj', 1, 5) WHERE metric IN ('l2', 'cosine') AND k = 20 GROUP BY metric;
SELECT DISTINCT distance > 0 FROM actkin_neighbors('abba c', 'proj', 1, 5) ORDER BY 1;
SELECT rank % 2 AS odd, count(*) FROM actkin_neighbors('abba c', 'proj', 1, 5) GROUP BY odd;
