"""How the package is used, as mypy --strict sees it."""

import numpy as np

import actkin


def tour(path: str) -> list[str]:
    with actkin.open(path) as index:
        found = index.neighbors("my most gr", stream="ffwd", block=5, k=10)
        texts: list[str] = [row.text for row in found]
        first: actkin.Neighbor = found[0]
        few: actkin.Table[actkin.Neighbor] = found[:3]
        next_tokens: list[actkin.NextToken] = first.next_tokens
        several: list[actkin.Neighbors] = index.neighbors(["ab", [1, 2], np.array([1, 2])])
        filtered = index.neighbors(vector=np.zeros(384), where="occurrences > 1", metric="cosine", context=(3, 3))
        distances, rows = index.search(np.zeros((3, 384)), stream="ffwd", block=5, k=10)
        vectors = np.asarray(index.rows("ffwd", 5))
        ids: int = int(index.ids(rows, "ffwd", 5)[0, 0])
        token: str = index.predict("my most gr")[0].token
        probability: float = index.model("my most gr")[0].probability
        connection = index.connect()
        for row in connection.execute("SELECT text FROM string WHERE string_id = ?", [ids]):
            texts.append(str(row[0]))
        sound: bool = index.verify().sound
        print(filtered, few, next_tokens, several, distances, vectors, token, probability, sound, index.context(5).text)
        try:
            index.neighbors("", k=0)
        except actkin.Error as error:
            texts.append(error.code)
        return texts


def refused(index: actkin.Index) -> None:
    """What is misspelled, or of another type, is known before it runs: an ignore that is not needed is an error."""
    index.neighbors("ab", strem="ffwd")  # type: ignore[call-overload]
    index.search(np.zeros((1, 384)), metrik="l2")  # type: ignore[call-arg]
    index.search(np.zeros((1, 384)), k="5")  # type: ignore[arg-type]
