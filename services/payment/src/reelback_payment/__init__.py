"""Wallets and their ledger: money moves once, whatever happens."""
