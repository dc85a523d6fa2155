"""Everything that draws: machines, product graphs, sequence charts, and the gallery of them."""
