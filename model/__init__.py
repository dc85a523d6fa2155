"""What TLS is: expressions, rules, machines, messages, generations, adversary, flaws."""
