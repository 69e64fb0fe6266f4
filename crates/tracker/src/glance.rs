//! A page that many look at, made once for all of them: whoever asks within the same moment gets
//! the same one. Nothing is made while nobody looks.

use std::{
    collections::HashMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

/// Pages that are kept; there are more only where somebody turns pages to make work.
const KEPT: usize = 64;

/// A page and when it was made.
type Made = (Instant, Arc<str>);

/// The pages of the moment, by what distinguishes them.
#[derive(Default)]
pub struct Glances {
    pages: Mutex<HashMap<String, Arc<Mutex<Option<Made>>>>>,
}

impl Glances {
    /// The page of this name, no older than `age`: as it was made for somebody else, or by `make`.
    /// Those who ask while it is made wait for it rather than make it again.
    ///
    /// # Errors
    /// What `make` fails with; nothing is kept then.
    pub async fn get<E, F>(&self, name: String, age: Duration, make: F) -> Result<Arc<str>, E>
    where
        F: Future<Output = Result<String, E>>,
    {
        let page = {
            let mut pages = self.pages.lock().await;
            if pages.len() >= KEPT && !pages.contains_key(&name) {
                pages.clear();
            }
            Arc::clone(pages.entry(name).or_default())
        };
        let mut made = page.lock().await;
        if let Some((at, text)) = made.as_ref()
            && at.elapsed() < age
        {
            return Ok(Arc::clone(text));
        }
        let text: Arc<str> = make.await?.into();
        *made = Some((Instant::now(), Arc::clone(&text)));
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn those_who_look_at_once_share_one_page() {
        let (glances, made) = (Glances::default(), AtomicU32::new(0));
        let look = |age| {
            let (glances, made) = (&glances, &made);
            async move {
                let make = async {
                    tokio::task::yield_now().await;
                    let count = made.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, ()>(count.to_string())
                };
                glances
                    .get("page".to_owned(), age, make)
                    .await
                    .expect("a page")
            }
        };
        let hour = Duration::from_secs(3_600);
        let many = futures_util::future::join_all((0..100).map(|_| look(hour))).await;
        assert!(many.iter().all(|page| &**page == "0"));
        assert_eq!(
            &*look(Duration::ZERO).await,
            "1",
            "too old a page is made again"
        );
        assert_eq!(&*look(hour).await, "1");
    }

    #[tokio::test]
    async fn what_failed_is_not_kept() {
        let glances = Glances::default();
        let hour = Duration::from_secs(3_600);
        let failed = glances
            .get("p".to_owned(), hour, async { Err("away") })
            .await;
        assert_eq!(failed, Err("away"));
        let made = glances.get("p".to_owned(), hour, async {
            Ok::<_, ()>("back".to_owned())
        });
        assert_eq!(made.await.as_deref(), Ok("back"));
    }
}
