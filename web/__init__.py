"""The operator console; its only door to the daemon is `ilp.operator`."""
