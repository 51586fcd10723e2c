-- The catalog of an index directory, format 1. Tables and columns that users rely on may gain columns, never lose or
-- rename one.

-- One row: the text that the directory was made from. string_length is L, the longest strings kept.
CREATE TABLE IF NOT EXISTS corpus(
  name          TEXT    NOT NULL,
  sha256        TEXT    NOT NULL,
  characters    INTEGER NOT NULL,
  string_length INTEGER NOT NULL
);

-- One row, or none in a directory of strings and counts alone.
CREATE TABLE IF NOT EXISTS model(
  file            TEXT    NOT NULL,  -- relative to the directory
  sha256          TEXT    NOT NULL,  -- of that file
  vocabulary_size INTEGER NOT NULL,
  blocks          INTEGER NOT NULL,
  heads           INTEGER NOT NULL,
  embed           INTEGER NOT NULL,
  context         INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS token(
  token_id INTEGER PRIMARY KEY,
  text     TEXT    NOT NULL UNIQUE
);

-- How many strings there are of each length. The first row_count of them are the rows of the sites at t_i = length - 1.
CREATE TABLE IF NOT EXISTS string_length(
  length          INTEGER PRIMARY KEY,
  string_count    INTEGER NOT NULL,
  row_count       INTEGER NOT NULL,
  first_string_id INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS string(
  string_id   INTEGER PRIMARY KEY,
  length      INTEGER NOT NULL,
  text        TEXT    NOT NULL,
  occurrences INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS next_token(
  string_id INTEGER NOT NULL REFERENCES string,
  token_id  INTEGER NOT NULL REFERENCES token,
  count     INTEGER NOT NULL,
  PRIMARY KEY (string_id, token_id)
) WITHOUT ROWID;

-- For people: what follows a prefix, how often, and with which probability.
CREATE VIEW IF NOT EXISTS next_token_map(length, prefix, token, count, probability) AS
SELECT string.length, string.text, token.text, next_token.count,
       CAST(next_token.count AS REAL) / (SELECT sum(count) FROM next_token WHERE string_id = string.string_id)
  FROM string JOIN next_token USING (string_id) JOIN token USING (token_id);

-- Which string each row of the sites at a t_i belongs to.
CREATE TABLE IF NOT EXISTS row_order(
  t_i       INTEGER PRIMARY KEY,
  row_count INTEGER NOT NULL,
  file      TEXT    NOT NULL,
  bytes     INTEGER NOT NULL,
  checksum  TEXT    NOT NULL   -- xxh3 of the file's header, which holds the checksums of its sections
);

CREATE TABLE IF NOT EXISTS site(
  site_id         INTEGER PRIMARY KEY,
  stream          TEXT    NOT NULL,
  block           INTEGER NOT NULL,
  t_i             INTEGER NOT NULL,
  dimension       INTEGER NOT NULL,
  row_count       INTEGER NOT NULL,
  first_string_id INTEGER NOT NULL,
  element         TEXT    NOT NULL,
  UNIQUE (stream, block, t_i)
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
