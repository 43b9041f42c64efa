"""What `import kerasdl` offers: functions for notebooks and programs, over the same studies."""
