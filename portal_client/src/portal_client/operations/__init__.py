"""The operations of the contract by noun: functions that make calls."""
