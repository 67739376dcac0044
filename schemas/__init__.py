"""What is said: the table of subjects, the models of every message, and the errors that may travel."""
