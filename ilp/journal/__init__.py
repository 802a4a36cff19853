"""What must survive: schema, migrations, reads and writes."""
