"""What the cache actor answers: its rows, a file per sort of them."""
