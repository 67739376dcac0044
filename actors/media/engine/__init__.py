"""What runs in a worker process: FFmpeg by way of PyAV, reading its file from the actor through a pipe."""
