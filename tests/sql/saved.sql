.load ./actkin
.headers on
-- saved by: actkin evaluate made.actkin --sample 20 -k 4
SELECT name, length, prompt_count, seed, imported FROM prompt_set;
SELECT count(*), max(rank), count(DISTINCT prompt_number) FROM actkin_saved_neighbors('sample-20-seed-1337', 'ffwd', 1, 5);
-- they are the neighbors that a search finds
SELECT count(*), sum(n.string_id = s.string_id), max(abs(n.distance - s.distance)) < 1e-6
  FROM prompt JOIN actkin_saved_neighbors('sample-20-seed-1337', 'ffwd', 1, 5) AS s ON s.prompt_number = prompt.number
  JOIN actkin_neighbors(prompt.text, 'ffwd', 1, 5) AS n ON n.rank = s.rank WHERE n.k = 4;
SELECT prompt_number, rank FROM actkin_saved_neighbors('sample-20-seed-1337', 'proj', 0, -1) WHERE k = 2 AND prompt_number = 7;
SELECT count(*) FROM actkin_saved_neighbors('sample-20-seed-1337', 'embedding', 0, 5) WHERE prompt = (SELECT text FROM prompt WHERE number = 7);
SELECT count(*) FROM actkin_saved_neighbors('sample-20-seed-1337', 'embedding', 0, 5) WHERE prompt = 'nobody';
SELECT count(*) FROM actkin_saved_neighbors('sample-20-seed-1337', 'embedding', 0, 5) WHERE prompt_number = 99;
SELECT count(*) FROM actkin_saved_neighbors('sample-20-seed-1337', 'embedding', 0, 5) WHERE prompt_number = '7';
SELECT scheme, k, t_is, samples, compared_with FROM evaluation;
SELECT count(*) FROM evaluation_top_n;
SELECT * FROM actkin_saved_neighbors;
SELECT * FROM actkin_saved_neighbors('sample-20-seed-1337', 'ffwd', 1);
SELECT * FROM actkin_saved_neighbors('other', 'ffwd', 1, 5);
SELECT * FROM actkin_saved_neighbors('sample-20-seed-1337', 'ffwd', 1, 2);
SELECT * FROM actkin_saved_neighbors('sample-20-seed-1337', 'ffwd', 1, 99);
SELECT * FROM actkin_saved_neighbors('sample-20-seed-1337', 'ffwd', 1, 5) WHERE k = 5;
SELECT * FROM actkin_saved_neighbors('sample-20-seed-1337', 'ffwd', 1, 5) WHERE metric = 'cosine';
SELECT * FROM actkin_saved_neighbors('sample-20-seed-1337', 'ffwd', 1, 5) WHERE low = 1;
