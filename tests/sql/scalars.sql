.load ./actkin
SELECT actkin_version() GLOB '[0-9]*.[0-9]*.[0-9]*';
-- 12 float32 numbers a vector; a whole string's embedding has as many for each position
SELECT typeof(actkin_vector(string_id, 'proj', 0)), length(actkin_vector(string_id, 'proj', 0)) FROM string WHERE text = 'abba c';
SELECT length, length(actkin_vector(string_id, 'embedding', 0)) FROM string GROUP BY length;
-- where the site is not built (t_i 3), the model computes it
SELECT length(actkin_vector(string_id, 'ffwd', 1)) FROM string WHERE text = 'abba';
-- a distance in SQL is the distance that neighbors have
SELECT count(*), max(abs(b.distance - actkin_distance(actkin_vector(b.string_id, 'ffwd', 1), actkin_vector(s.string_id, 'ffwd', 1), 'l2'))) < 1e-6
  FROM string AS s, actkin_neighbors(s.text, 'ffwd', 1, 5) AS b WHERE s.text = 'abba c';
SELECT count(*), max(abs(b.distance - actkin_distance(actkin_vector(b.string_id, 'ffwd', 1), actkin_vector(s.string_id, 'ffwd', 1), 'cosine'))) < 1e-6
  FROM string AS s, actkin_neighbors(s.text, 'ffwd', 1, 5) AS b WHERE s.text = 'abba c' AND b.metric = 'cosine';
-- (3, 4) and (0, 0); (1, 0) and (1, 1)
SELECT actkin_distance(x'0000404000008040', x'0000000000000000', 'l2'), actkin_distance(x'0000404000008040', x'0000000000000000', 'cosine');
SELECT round(actkin_distance(x'0000803f00000000', x'0000803f0000803f', 'cosine'), 4);
-- the other model's vectors
ATTACH 'other.actkin/catalog.db' AS other;
SELECT actkin_vector(500, 'ffwd', 1) = actkin_vector(500, 'ffwd', 1, 'main'), actkin_vector(500, 'ffwd', 1) = actkin_vector(500, 'ffwd', 1, 'other');
