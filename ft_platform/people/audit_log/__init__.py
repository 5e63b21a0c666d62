"""The audit log: who did what, as a chain that shows when somebody changes it."""
