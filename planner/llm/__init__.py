"""Planning with a language model: the question, the connection, and the reading of its reply."""
