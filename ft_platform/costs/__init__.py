"""What programs cost: the ledger of program runs, the money and energy of one, and budgets that stop launches."""
