.load ./actkin
.headers on
SELECT rank, replace(token, char(10), '\n') AS token, round(probability, 4) AS probability FROM actkin_model('abba c');
SELECT count(*), round(sum(probability), 5), max(prompt), max(catalog), count(DISTINCT token_id) FROM actkin_model('d') WHERE catalog = 'main';
SELECT count(*) FROM actkin_model(NULL);
SELECT replace(token, char(10), '\n') AS token FROM actkin_model WHERE prompt = 'abba c' ORDER BY rank LIMIT 2;
-- eight tokens, the model's context, are more than the longest strings
SELECT count(*) FROM actkin_model('abbaabba');
