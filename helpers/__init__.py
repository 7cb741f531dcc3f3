"""Work behind the notebook: films in, networks trained, results recorded and shown."""
