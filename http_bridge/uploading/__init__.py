"""Uploads in several goes over HTTP: the tus protocol, and WebSockets."""
