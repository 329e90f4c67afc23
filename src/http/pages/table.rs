//! A table with headers for its columns and its rows. On a narrow page each cell shows the header of its column itself.

use super::html::Html;

/// A table under construction.
pub(super) struct Table {
    heads: &'static [&'static str],
    rows: Html,
}

impl Table {
    /// A table with these columns.
    pub fn new(heads: &'static [&'static str]) -> Table {
        Table {
            heads,
            rows: Html::default(),
        }
    }

    /// Adds a row; its first cell is its header.
    pub fn row<const N: usize>(&mut self, cells: [Html; N]) {
        let mut rows = std::mem::take(&mut self.rows).raw("<tr>");
        for (number, (cell, head)) in cells.into_iter().zip(self.heads).enumerate() {
            rows = match number {
                0 => rows.raw("<th scope=\"row\">").then(cell).raw("</th>"),
                _ => rows
                    .raw("<td data-head=\"")
                    .raw(head)
                    .raw("\">")
                    .then(cell)
                    .raw("</td>"),
            };
        }
        self.rows = rows.raw("</tr>\n");
    }

    /// The whole table.
    pub fn html(self) -> Html {
        let mut table = Html::new("<table>\n<thead><tr>");
        for head in self.heads {
            table = table.raw("<th scope=\"col\">").raw(head).raw("</th>");
        }
        table
            .raw("</tr></thead>\n<tbody>\n")
            .then(self.rows)
            .raw("</tbody>\n</table>\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_headers_for_columns_and_rows() {
        let mut table = Table::new(&["Part", "State"]);
        table.row([Html::new("Store"), Html::default().text("<writable>")]);
        assert_eq!(
            table.html().into_string(),
            "<table>\n<thead><tr><th scope=\"col\">Part</th><th scope=\"col\">State</th></tr></thead>\n<tbody>\n\
             <tr><th scope=\"row\">Store</th><td data-head=\"State\">&lt;writable&gt;</td></tr>\n</tbody>\n</table>\n"
        );
    }
}
