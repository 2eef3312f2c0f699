"""Train two networks, take a LightGBM model, fuse all three, and compare their AUC on test."""

import emm

data = emm.load_dataset("examples/funnel")
sizes = {"blocks": [[32, 16], [32, 16]], "tower": [8], "learning_rate": 0.003, "max_epochs": 10}
click = emm.fit(data, task="click", **sizes)
purchase = emm.fit(data, task="purchase", **sizes)
trees = emm.load("examples/funnel/purchase.txt", data, task="purchase")

print(emm.decompose([click, purchase, trees], data))  # which layers form which level
fused = emm.fuse([click, purchase, trees], data, learning_rate=0.003, max_epochs=10)
for name, model in {"click": click, "purchase": purchase, "trees": trees, "fused": fused}.items():
    for task, scores in emm.evaluate(model, data).items():
        print(f"{name}: {task} AUC {scores['auc']:.3f}")
