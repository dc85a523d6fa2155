"""Results as a page: one file that works without a network.

Each module makes one value of plain data for its kind of results. Its shape is `Page` in
`checker/report/page/shape.d.ts`; the page's modules in JavaScript only show it.
"""
