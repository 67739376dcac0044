"""The file tree over HTTP: paths with methods, the documented journal routes, and how large bodies go in."""
