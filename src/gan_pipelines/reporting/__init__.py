"""What a person looks at: pictures, curves, tables."""
