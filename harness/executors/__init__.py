"""Where jobs run: `run(jobs, work)`."""
