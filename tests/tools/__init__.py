"""Commands that serve the tests and the repository; not tests themselves."""
