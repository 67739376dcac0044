"""The block store: pack files, their index, pins and collection; `store.py` is the way in."""
