"""The steps, oldest first.  A step that was released is never edited; each spells out its tables, as they were then."""
