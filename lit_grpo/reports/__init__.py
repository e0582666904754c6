"""What a person looks at after a run: `comparison.json`, tables, figures, a Markdown report. Reads run folders only."""
