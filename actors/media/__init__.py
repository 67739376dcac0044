"""Makes playlists, pictures and waveforms of files: `actor.py` speaks, `engine/` works in other processes."""
