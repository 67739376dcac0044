"""The content cache: a memory tier and a disk tier, the policies that fill them, and shared fetches."""
