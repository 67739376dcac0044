"""Content that comes in several goes: sessions that remember how far they are."""
