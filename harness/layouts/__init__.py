"""Rows of each task type to an eval set: `read(tables)`. What the two sides hold, and `EvalSet.targets`:

| type | queries | documents | targets |
|---|---|---|---|
| retrieval | queries | documents | none; qrels |
| reranking | queries | candidates | `candidates` int32 [q, c], positions in documents, -1 beyond their number; qrels |
| sts | first texts | second texts | `score` float64 [q] |
| pair_classification | first texts | second texts | `label` int32 [q], 1 where the two are alike |
| bitext | first texts | second texts | `gold` int32 [q], position of its translation in documents |
| classification | test texts | training texts | `label` int32 [q] and `document_label` int32 [d], numbers of classes |
| clustering | none | texts | `label` int32 [d, levels], see below; `group` int32 [d], clustered apart |
| summarization | machine ones | human ones | `score` float64 [q]; `text` int32 [q] and `document_text` int32 [d] |

A clustering label is -1 where a text has no part on a level, and -2 where such texts are one more class there, as mteb
has it for labels that are text.
"""
