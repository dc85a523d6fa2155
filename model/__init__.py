"""TLS as data: expressions, rules, machines, messages, generations, adversary, flaws."""
