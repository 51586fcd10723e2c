-- The catalog of an index directory, format 3. Tables and columns that users rely on may gain columns, never lose or
-- rename one.

-- One row: the text that the directory was made from. string_length is L, the most tokens of the strings kept.
CREATE TABLE IF NOT EXISTS corpus(
  name          TEXT    NOT NULL,
  sha256        TEXT    NOT NULL,
  characters    INTEGER NOT NULL,
  string_length INTEGER NOT NULL,
  token_count   INTEGER NOT NULL
);

-- The corpus's documents, one after the other: tokens first_position to first_position + token_count - 1.
CREATE TABLE IF NOT EXISTS document(
  document_id    INTEGER PRIMARY KEY,
  name           TEXT    NOT NULL,
  first_position INTEGER NOT NULL,
  token_count    INTEGER NOT NULL
);

-- The corpus in files. kind: 'tokens' (the ids of all its tokens, a separator after each document), or 'suffixes' (the
-- order of what begins at each of them, by which a prefix of any length is found).
CREATE TABLE IF NOT EXISTS corpus_file(
  kind     TEXT PRIMARY KEY,
  file     TEXT    NOT NULL,
  bytes    INTEGER NOT NULL,
  checksum TEXT    NOT NULL
) WITHOUT ROWID;

-- One row: how texts are cut into tokens. kind: 'characters' (the tokens are those of the table token), 'bpe' (a file
-- declares it, tokenizer.json, as it was given), or 'texts' (a file lists the tokens' texts, tokens.json, as it was given:
-- how a text is cut is not known).
CREATE TABLE IF NOT EXISTS tokenizer(
  kind     TEXT NOT NULL,
  file     TEXT,
  bytes    INTEGER,
  checksum TEXT   -- xxh3 of the file
);

-- One row, or none in a directory of strings and counts alone.
CREATE TABLE IF NOT EXISTS model(
  file            TEXT    NOT NULL,  -- relative to the directory
  sha256          TEXT    NOT NULL,  -- of that file
  vocabulary_size INTEGER NOT NULL,
  blocks          INTEGER NOT NULL,
  heads           INTEGER NOT NULL,
  embed           INTEGER NOT NULL,
  context         INTEGER NOT NULL,
  bos_token_id    INTEGER            -- of the token that stands before every string and prompt; NULL: none does
);

-- text: for people, bytes that are not UTF-8 as \xNN; two tokens may have the same. bytes: empty where the id is not used.
CREATE TABLE IF NOT EXISTS token(
  token_id INTEGER PRIMARY KEY,
  text     TEXT    NOT NULL,
  bytes    BLOB    NOT NULL
);

-- How many strings there are of each length. The first row_count of them are the rows of the sites at t_i = length - 1.
CREATE TABLE IF NOT EXISTS string_length(
  length          INTEGER PRIMARY KEY,
  string_count    INTEGER NOT NULL,
  row_count       INTEGER NOT NULL,
  first_string_id INTEGER NOT NULL
);

-- tokens: the ids, big-endian, of one byte each in a vocabulary of at most 255 tokens, two up to 65,535, else four; unique.
-- length: how many. text: for people; two strings may have the same.
CREATE TABLE IF NOT EXISTS string(
  string_id   INTEGER PRIMARY KEY,
  length      INTEGER NOT NULL,
  text        TEXT    NOT NULL,
  occurrences INTEGER NOT NULL,
  tokens      BLOB    NOT NULL
);

CREATE TABLE IF NOT EXISTS next_token(
  string_id INTEGER NOT NULL REFERENCES string,
  token_id  INTEGER NOT NULL REFERENCES token,
  count     INTEGER NOT NULL,
  PRIMARY KEY (string_id, token_id)
) WITHOUT ROWID;

-- For people: what follows a prefix, how often, and with which probability.
CREATE VIEW IF NOT EXISTS next_token_map(length, prefix, token, count, probability, string_id, token_id) AS
SELECT string.length, string.text, token.text, next_token.count,
       CAST(next_token.count AS REAL) / (SELECT sum(count) FROM next_token WHERE string_id = string.string_id),
       string.string_id, token.token_id
  FROM string JOIN next_token USING (string_id) JOIN token USING (token_id);

-- Which string each row of the sites at a t_i belongs to.
CREATE TABLE IF NOT EXISTS row_order(
  t_i       INTEGER PRIMARY KEY,
  row_count INTEGER NOT NULL,
  file      TEXT    NOT NULL,
  bytes     INTEGER NOT NULL,
  checksum  TEXT    NOT NULL   -- xxh3 of the file's header, which holds the checksums of its sections
);

-- Which positions of the corpus have rows, for sites over positions. name, for people: 'all', 'every 10'. Without a file:
-- all, row 0 is position 0. The file has the position of each row, rising.
CREATE TABLE IF NOT EXISTS position_set(
  position_set_id INTEGER PRIMARY KEY,
  name            TEXT    NOT NULL,
  row_count       INTEGER NOT NULL,
  file            TEXT,
  bytes           INTEGER,
  checksum        TEXT
);

-- rows: what a row stands for. 'strings': one of t_i + 1 tokens. 'positions': a token of the corpus, of the positions of
-- position_set_id, seen with the tokens before it in windows of `window` tokens that advance by `stride` (NULL: recorded
-- elsewhere); then t_i and first_string_id are NULL. capture_id: sites of the same one were computed in one pass, which
-- decides the last digits of their rows; NULL: codes, or recorded elsewhere. element: what numbers are kept as, 'float32',
-- 'float16' or 'int8'; 'none': rows are not kept, but made again by the model.
CREATE TABLE IF NOT EXISTS site(
  site_id         INTEGER PRIMARY KEY,
  stream          TEXT    NOT NULL,
  block           INTEGER NOT NULL,
  t_i             INTEGER,
  dimension       INTEGER NOT NULL,
  row_count       INTEGER NOT NULL,
  first_string_id INTEGER,
  element         TEXT    NOT NULL,
  rows            TEXT    NOT NULL,
  window          INTEGER,
  stride          INTEGER,
  position_set_id INTEGER REFERENCES position_set,
  capture_id      INTEGER
);
CREATE UNIQUE INDEX IF NOT EXISTS site_place ON site(stream, block, ifnull(t_i, -1));

-- The sites whose rows were recorded elsewhere and imported. source: the folder's name, for people. bos_token_id: of the
-- token that stood before every window, and has no position; NULL: none did.
CREATE TABLE IF NOT EXISTS recorded_site(
  site_id      INTEGER PRIMARY KEY REFERENCES site,
  source       TEXT    NOT NULL,
  bos_token_id INTEGER
);

-- Of sites whose rows are rounded to int8: `queries` rows of a sample of `sampled_rows` were asked for their k nearest
-- others in it, by l2, as float32 and as they are kept. recall: the share of the former that are among the latter, 0..1.
CREATE TABLE IF NOT EXISTS rounding(
  site_id      INTEGER PRIMARY KEY REFERENCES site,
  sampled_rows INTEGER NOT NULL,
  queries      INTEGER NOT NULL,
  k            INTEGER NOT NULL,
  recall       REAL    NOT NULL
);

-- The files that hold a site's rows, each a range of them.
CREATE TABLE IF NOT EXISTS vector_file(
  site_id   INTEGER NOT NULL REFERENCES site,
  first_row INTEGER NOT NULL,
  row_count INTEGER NOT NULL,
  file      TEXT    NOT NULL,
  bytes     INTEGER NOT NULL,
  checksum  TEXT    NOT NULL,
  PRIMARY KEY (site_id, first_row)
);

-- name is 'exact' (metric NULL: it serves all) or a FAISS factory string.
CREATE TABLE IF NOT EXISTS site_index(
  index_id      INTEGER PRIMARY KEY,
  site_id       INTEGER NOT NULL REFERENCES site,
  name          TEXT    NOT NULL,
  metric        TEXT,
  file          TEXT    NOT NULL,
  bytes         INTEGER NOT NULL,
  checksum      TEXT    NOT NULL,
  build_seconds REAL    NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS site_index_name ON site_index(site_id, name, ifnull(metric, ''));

-- What the rows of a site are like. Lengths are Euclidean, of all rows; long_share: how many, 0..1, are longer than ten
-- times the median. cosine: the mean over all pairs of a sample of rows, a row of zeros having 0 with any other;
-- centered_cosine: the same of the rows less the mean of all rows of the site. NULL where there is one row.
CREATE TABLE IF NOT EXISTS site_statistics(
  site_id         INTEGER PRIMARY KEY REFERENCES site,
  mean_length     REAL NOT NULL,
  median_length   REAL NOT NULL,
  longest         REAL NOT NULL,
  long_share      REAL NOT NULL,
  cosine          REAL,
  centered_cosine REAL
);

-- Quantiles (0..1) of the Euclidean distances between rows of a site. pairs: 'random', of random pairs of a sample;
-- 'nearest' and 'tenth', from each row of a small sample to its nearest and its tenth nearest other row, of all rows;
-- these are not there of embeddings.
CREATE TABLE IF NOT EXISTS site_distance(
  site_id  INTEGER NOT NULL REFERENCES site,
  pairs    TEXT    NOT NULL,
  quantile REAL    NOT NULL,
  distance REAL    NOT NULL,
  PRIMARY KEY (site_id, pairs, quantile)
) WITHOUT ROWID;

-- What 'actkin recall' measured: of the k nearest that 'exact' finds, how many an approximate index found, 0..1, when
-- asked for k; ties at the k-th distance count as found. Times are of single queries.
CREATE TABLE IF NOT EXISTS recall(
  site_id    INTEGER NOT NULL REFERENCES site,
  name       TEXT    NOT NULL,  -- of the index
  metric     TEXT    NOT NULL,
  parameters TEXT    NOT NULL,  -- such as efSearch=64; empty: the index's own
  prompts    INTEGER NOT NULL,  -- how many, the first of the sample of this seed
  seed       INTEGER NOT NULL,
  k          INTEGER NOT NULL,
  recall     REAL    NOT NULL,
  median_ms  REAL    NOT NULL,
  p99_ms     REAL    NOT NULL,
  threads    INTEGER NOT NULL,
  PRIMARY KEY (site_id, name, metric, parameters, prompts, seed, k)
) WITHOUT ROWID;

-- Prompts that experiments ask together. rows: 'strings', or 'positions' of the corpus. seed: of a sample, drawn as
-- torch.randperm draws it, of the strings of L tokens, or of the positions that a site has rows of. imported: its
-- neighbors come from elsewhere, and those of this directory's own sites are never added to them.
CREATE TABLE IF NOT EXISTS prompt_set(
  prompt_set_id INTEGER PRIMARY KEY,
  name          TEXT    NOT NULL UNIQUE,
  length        INTEGER NOT NULL,  -- tokens of each prompt; of positions 0: each has its own number
  prompt_count  INTEGER NOT NULL,
  sha256        TEXT    NOT NULL,  -- of a JSON array of texts; of lists of ids, but for the tokenizer 'characters'
  seed          INTEGER,
  imported      INTEGER NOT NULL,
  rows          TEXT    NOT NULL
);

-- number: from 0. string_id: the prompt's own string, where the corpus has it. tokens: as in the table string. Of a
-- position string_id is NULL, text its token's, and tokens what it was asked with, itself the last.
CREATE TABLE IF NOT EXISTS prompt(
  prompt_set_id INTEGER NOT NULL REFERENCES prompt_set,
  number        INTEGER NOT NULL,
  text          TEXT    NOT NULL,
  string_id     INTEGER,
  tokens        BLOB    NOT NULL,
  position      INTEGER,
  PRIMARY KEY (prompt_set_id, number)
) WITHOUT ROWID;

-- Neighbors of every prompt of a set: the k nearest of a site, nearest first, among the rows with low <= distance <= high
-- (NULL: no bound). The extension reads the files as rows: actkin_saved_neighbors, of those of all rows. condition: what
-- --where said; empty: all rows count. passing: a checksum of the string_ids that it held for, which may read tables that
-- change; empty without a condition. max_length: only rows at most so long counted; NULL: all. exclude_self: whether
-- each prompt's own row was left out.
CREATE TABLE IF NOT EXISTS saved_neighbors(
  saved_neighbors_id INTEGER PRIMARY KEY,
  prompt_set_id INTEGER NOT NULL REFERENCES prompt_set,
  stream        TEXT    NOT NULL,
  block         INTEGER NOT NULL,
  t_i           INTEGER NOT NULL,
  metric        TEXT    NOT NULL,
  k             INTEGER NOT NULL,
  low           REAL,
  high          REAL,
  file          TEXT    NOT NULL UNIQUE,
  bytes         INTEGER NOT NULL,
  checksum      TEXT    NOT NULL,
  condition     TEXT    NOT NULL,
  passing       TEXT    NOT NULL,
  max_length    REAL,
  exclude_self  INTEGER NOT NULL
);

-- What the next tokens of all rows of a site with low <= distance <= high add up to, for every prompt of a set; of those
-- that count, as in saved_neighbors.
CREATE TABLE IF NOT EXISTS saved_band_totals(
  saved_band_totals_id INTEGER PRIMARY KEY,
  prompt_set_id INTEGER NOT NULL REFERENCES prompt_set,
  stream        TEXT    NOT NULL,
  block         INTEGER NOT NULL,
  t_i           INTEGER NOT NULL,
  metric        TEXT    NOT NULL,
  low           REAL,
  high          REAL,
  file          TEXT    NOT NULL UNIQUE,
  bytes         INTEGER NOT NULL,
  checksum      TEXT    NOT NULL,
  condition     TEXT    NOT NULL,
  passing       TEXT    NOT NULL,
  max_length    REAL,
  exclude_self  INTEGER NOT NULL
);

-- The model's own distribution of the next token, for every prompt of a set.
CREATE TABLE IF NOT EXISTS saved_predictions(
  prompt_set_id INTEGER PRIMARY KEY REFERENCES prompt_set,
  file          TEXT    NOT NULL UNIQUE,
  bytes         INTEGER NOT NULL,
  checksum      TEXT    NOT NULL
);

-- Schemes beside the built-in ones: of users, and learned ones. definition: JSON, as --scheme FILE reads it.
CREATE TABLE IF NOT EXISTS scheme(
  name       TEXT PRIMARY KEY,
  definition TEXT NOT NULL
);

-- For people: a scheme's weights, the blocks counted from 0.
CREATE VIEW IF NOT EXISTS scheme_weight(scheme, stream, block, weight, band) AS
SELECT name, 'embedding', 0, json_extract(definition, '$.embedding'), json_extract(definition, '$.within.embedding')
  FROM scheme WHERE json_extract(definition, '$.embedding') IS NOT NULL
UNION ALL
SELECT scheme.name, streams.value, CAST(weights.key AS INTEGER), weights.value,
       json_extract(scheme.definition, '$.within.' || streams.value || '[' || weights.key || ']')
  FROM scheme, json_each('["proj", "ffwd"]') AS streams,
       json_each(scheme.definition, '$.' || streams.value) AS weights;

-- How well a scheme reproduces what it is compared with over the prompts [first_prompt, first_prompt + samples) of a set.
-- compared_with: 'model', its own predictions; 'corpus', what follows the prompts there, where there is no model. k NULL:
-- all rows within the bands. t_is: "7,8,9"; empty over positions. within: empty, one band, or one a block. exclude_self:
-- whether the prompt's own row was left out, with so many positions on either side as exclude_window says.
-- max_length: only rows at most so long counted; NULL: all. condition: what --where said; empty: all rows counted.
CREATE TABLE IF NOT EXISTS evaluation(
  evaluation_id  INTEGER PRIMARY KEY,
  prompt_set_id  INTEGER NOT NULL REFERENCES prompt_set,
  first_prompt   INTEGER NOT NULL,
  samples        INTEGER NOT NULL,
  scheme         TEXT    NOT NULL,
  definition     TEXT    NOT NULL,  -- the scheme, as it was
  metric         TEXT    NOT NULL,
  t_is           TEXT    NOT NULL,
  merge          TEXT    NOT NULL,
  k              INTEGER,
  within         TEXT    NOT NULL,
  compared_with  TEXT    NOT NULL,
  hellinger_mean REAL    NOT NULL,
  exclude_self   INTEGER NOT NULL,
  exclude_window INTEGER NOT NULL,
  max_length     REAL,
  condition      TEXT    NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS evaluation_run
    ON evaluation(prompt_set_id, first_prompt, samples, scheme, metric, t_is, merge, ifnull(k, 0), within, compared_with,
                  exclude_self, exclude_window, ifnull(max_length, -1), condition);

-- Fractions of the samples: entry n is the same; the first n are the same in any order.
CREATE TABLE IF NOT EXISTS evaluation_top_n(
  evaluation_id INTEGER NOT NULL REFERENCES evaluation ON DELETE CASCADE,
  n             INTEGER NOT NULL,
  in_order      REAL    NOT NULL,
  any_order     REAL    NOT NULL,
  PRIMARY KEY (evaluation_id, n)
) WITHOUT ROWID;

-- What 'actkin verify' compares the tables and views above with, one row for each (storage/catalog/content_checksum.h).
CREATE TABLE IF NOT EXISTS content_checksum(
  name     TEXT PRIMARY KEY,
  checksum TEXT NOT NULL
) WITHOUT ROWID;
