"""This project beside the newest releases of its peers: python -m bench, which tools/bench runs."""
