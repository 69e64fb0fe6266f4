//! The response cache: a page that many clients request at the same time is rendered once. Nothing
//! is rendered in the background.

use std::{
    collections::HashMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

/// The maximum number of cached pages. Ordinary use stays below it; only a client that pages
/// through lists to cause load exceeds it.
const KEPT: usize = 64;

/// When a page was rendered, and its text.
type Made = (Instant, Arc<str>);

/// Rendered pages by name.
#[derive(Default)]
pub struct ResponseCache {
    pages: Mutex<HashMap<String, Arc<Mutex<Option<Made>>>>>,
}

impl ResponseCache {
    /// Returns the page called `name`, no older than `age`: from the cache, or rendered by `make`.
    /// Requests that arrive while it is being rendered wait for it instead of rendering it again.
    ///
    /// # Errors
    /// Returns the error of `make`; nothing is cached then.
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
    async fn concurrent_requests_share_one_page() {
        let (cache, made) = (ResponseCache::default(), AtomicU32::new(0));
        let look = |age| {
            let (cache, made) = (&cache, &made);
            async move {
                let make = async {
                    tokio::task::yield_now().await;
                    let count = made.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, ()>(count.to_string())
                };
                cache
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
        let cache = ResponseCache::default();
        let hour = Duration::from_secs(3_600);
        let failed = cache.get("p".to_owned(), hour, async { Err("away") }).await;
        assert_eq!(failed, Err("away"));
        let made = cache.get("p".to_owned(), hour, async {
            Ok::<_, ()>("back".to_owned())
        });
        assert_eq!(made.await.as_deref(), Ok("back"));
    }
}
