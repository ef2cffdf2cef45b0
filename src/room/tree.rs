//! A Fenwick tree of counts (Fenwick 1994, "A new data structure for cumulative frequency
//! tables") that grows at its end: sums of the first n counts, and changes, in O(log n).

/// Counts in a row. See the module.
#[derive(Clone, Debug)]
pub struct Tree {
    /// 1-based; node n sums the counts from n − lowbit(n) + 1 to n.
    nodes: Vec<u32>,
}

impl Tree {
    /// A tree of these counts.
    pub fn new(counts: impl IntoIterator<Item = u32>) -> Tree {
        let mut tree = Tree { nodes: vec![0] };
        counts.into_iter().for_each(|count| tree.push(count));
        tree
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<u32>()
    }

    /// One more count: its node sums the nodes that it covers.
    pub fn push(&mut self, count: u32) {
        let node = self.nodes.len();
        let covered = node & (node - 1);
        let mut sum = count;
        let mut child = node - 1;
        while child > covered {
            sum += self.nodes[child];
            child &= child - 1;
        }
        self.nodes.push(sum);
    }

    /// The sum of the first `count` counts.
    pub fn sum(&self, count: usize) -> u64 {
        let mut node = count;
        let mut sum = 0;
        while node > 0 {
            sum += u64::from(self.nodes[node]);
            node &= node - 1;
        }
        sum
    }

    /// The count at `index` is one more.
    pub fn increase(&mut self, index: usize) {
        self.each_above(index, |sum| *sum += 1);
    }

    /// The count at `index` is one less; it must not have been 0.
    pub fn decrease(&mut self, index: usize) {
        self.each_above(index, |sum| *sum -= 1);
    }

    fn each_above(&mut self, index: usize, change: impl Fn(&mut u32)) {
        let mut node = index + 1;
        while node < self.nodes.len() {
            change(&mut self.nodes[node]);
            node += node & node.wrapping_neg();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_as_a_list_would(
            mut counts in prop::collection::vec(0..1_000u32, 1..200),
            changes in prop::collection::vec((any::<usize>(), any::<bool>()), 0..200),
        ) {
            let mut tree = Tree::new(counts.clone());
            for (pick, up) in changes {
                let index = pick % counts.len();
                if up {
                    counts[index] += 1;
                    tree.increase(index);
                } else if counts[index] > 0 {
                    counts[index] -= 1;
                    tree.decrease(index);
                }
            }
            for n in 0..=counts.len() {
                let sum: u64 = counts[..n].iter().map(|count| u64::from(*count)).sum();
                prop_assert_eq!(tree.sum(n), sum);
            }
        }
    }
}
