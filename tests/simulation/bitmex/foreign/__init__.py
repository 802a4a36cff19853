"""Programs of others, run unchanged in processes of their own against the simulated venue: each prints one JSON line."""
