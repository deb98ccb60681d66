"""What `leadloop doctor` looks at: a file for each subject, a small function for each question."""
